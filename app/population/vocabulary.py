"""The words of the synthetic population: topics and their subjects, cities, names, phrases."""

from __future__ import annotations

TOPICS: dict[str, tuple[str, ...]] = {
    "Music": ("jazz", "choir", "guitar", "electronic music", "folk music", "opera", "songwriting",
              "percussion"),
    "Games": ("board games", "chess", "role-playing games", "card games", "video games", "quizzes",
              "escape rooms", "esports"),
    "Technology": ("machine learning", "robotics", "web development", "cybersecurity",
                   "open source", "databases", "embedded systems", "game development"),
    "Science": ("astronomy", "biology", "chemistry", "physics", "mathematics", "neuroscience",
                "geology", "climate science"),
    "Art": ("painting", "ceramics", "drawing", "sculpture", "street art", "calligraphy",
            "printmaking", "art history"),
    "Film": ("documentaries", "short films", "animation", "screenwriting", "film editing",
             "silent films", "Romanian cinema", "science fiction films"),
    "Literature": ("poetry", "creative writing", "classic novels", "fantasy fiction", "essays",
                   "book swaps", "comics", "translation"),
    "Sport": ("football", "basketball", "volleyball", "running", "climbing", "swimming", "tennis",
              "fencing"),
    "Outdoors": ("hiking", "camping", "cycling", "birdwatching", "kayaking", "skiing",
                 "orienteering", "caving"),
    "Food": ("baking", "vegan cooking", "coffee tasting", "street food", "wine tasting",
             "Romanian cuisine", "fermentation", "food photography"),
    "Languages": ("French", "German", "Spanish", "Japanese", "Italian", "sign language", "Korean",
                  "Portuguese"),
    "Volunteering": ("tutoring", "animal shelters", "tree planting", "blood donation", "recycling",
                     "first aid", "food banks", "elder care"),
    "Career": ("internships", "public speaking", "job interviews", "networking", "leadership",
               "project management", "scholarships", "negotiation"),
    "Entrepreneurship": ("startups", "marketing", "product design", "fundraising", "e-commerce",
                         "social enterprise", "branding", "accounting"),
    "Wellbeing": ("yoga", "meditation", "nutrition", "sleep", "stress management", "pilates",
                  "mindfulness", "breathing"),
    "Theatre": ("improvisation", "drama", "stand-up comedy", "puppetry", "stage design",
                "musical theatre", "pantomime", "playwriting"),
    "Dance": ("salsa", "ballet", "hip-hop dance", "folk dance", "tango", "swing dance",
              "contemporary dance", "waltz"),
    "Photography": ("portraits", "street photography", "night photography", "film cameras",
                    "landscapes", "photo editing", "macro photography", "photojournalism"),
    "Society": ("debate", "human rights", "journalism", "local politics", "European affairs",
                "economics", "gender equality", "urban planning"),
    "History": ("archaeology", "medieval history", "genealogy", "museums", "oral history",
                "Roman Dacia", "architecture", "old maps"),
}  # fmt: skip
"""Category → its subjects, each usable in "an evening of …"."""

TAG_FORMS = (
    "{}",
    "{} for beginners",
    "{} workshop",
    "{} club",
    "{} meetup",
    "advanced {}",
    "{} weekend",
    "{} contest",
)
"""A tag is a subject in one of these forms: 20 topics × 8 subjects × 8 forms = 1,280 tags."""

CITIES = (
    "București", "Cluj-Napoca", "Iași", "Timișoara", "Brașov", "Constanța", "Craiova", "Sibiu",
    "Galați", "Oradea", "Târgu Mureș", "Suceava", "Bacău", "Pitești", "Ploiești", "Arad",
    "Alba Iulia", "Petroșani", "Târgoviște", "Târgu Jiu", "Baia Mare", "Reșița", "Hunedoara",
    "Drobeta-Turnu Severin",
)  # fmt: skip
"""Romanian cities where a university teaches, the large ones first."""

FIRST_NAMES = (
    "Ana", "Andrei", "Ioana", "Mihai", "Maria", "Alexandru", "Elena", "Ștefan", "Andreea", "Vlad",
    "Cristina", "Radu", "Diana", "Tudor", "Raluca", "Matei", "Bianca", "Luca", "Teodora", "Darius",
    "Ilinca", "Sorin", "Anca", "Răzvan", "Irina", "Călin", "Oana", "Horia", "Sânziana", "Bogdan",
)  # fmt: skip
LAST_NAMES = (
    "Popescu", "Ionescu", "Popa", "Dumitrescu", "Stan", "Stoica", "Gheorghe", "Rusu", "Munteanu",
    "Matei", "Constantin", "Șerban", "Moldovan", "Lazăr", "Florea", "Neagu", "Țăran", "Dobre",
    "Oprea", "Mureșan", "Ciobanu", "Vasile", "Tănase", "Bălan", "Crișan", "Sava", "Nistor",
)  # fmt: skip

ORGANIZER_KINDS = ("Society", "Circle", "Student Association", "Collective", "Forum", "Guild",
                   "League", "Network")  # fmt: skip
TITLES = (
    "An evening of {subject}",
    "Introduction to {subject}",
    "Open session: {subject}",
    "A weekend of {subject}",
    "{city} meets {subject}",
    "Student days of {subject}",
    "Hands-on {subject}",
    "Everything about {subject}",
    "The big {subject} afternoon",
    "{subject} after class",
)
DESCRIPTIONS = (
    "Come as you are: {tags}, good company and time for questions afterwards.",
    "Two hours around {tags}, led by people who do it every week.",
    "Whether it is your first time or your tenth, there is a place for you. Expect {tags}.",
    "We meet, we try things out, we talk about {tags}. Bring a friend.",
    "A relaxed programme with {tags}; the host answers whatever you want to know.",
)
VENUES = ("Aula Magna", "Student House", "Library Hall", "Room 101", "Botanical Garden",
          "Old Town Café", "Faculty Atrium", "Sports Hall", "Central Park", "Room 204")  # fmt: skip


def tag_vocabulary(topics: int) -> list[tuple[str, str, int]]:
    """Every tag that the first topics can give: its name, its subject, its topic.

    Plain subjects come first, so that a small population has "jazz" before "jazz contest".
    """
    return [
        (form.format(subject), subject, topic)
        for form in TAG_FORMS
        for topic, subjects in enumerate(list(TOPICS.values())[:topics])
        for subject in subjects
    ]

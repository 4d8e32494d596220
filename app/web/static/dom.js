// Elements out of JavaScript: text stays text, and nothing is parsed as HTML.

/**
 * Make an element. Attributes: `class`, `for`, `href` …; a function under `onclick` and the like
 * becomes a listener; true sets an attribute without a value; false, null and undefined leave it
 * out. Children are nodes, texts, numbers or arrays of these; null, undefined and false are left
 * out.
 */
export function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === false || value === null || value === undefined) continue;
        if (typeof value === "function") made.addEventListener(name.slice(2), value);
        else made.setAttribute(name, value === true ? "" : String(value));
    }
    made.append(...children.flat(Infinity).filter(isShown).map(asNode));
    return made;
}

function isShown(child) {
    return child !== null && child !== undefined && child !== false;
}

function asNode(child) {
    return child instanceof Node ? child : document.createTextNode(String(child));
}

/** Put these children, as `el` takes them, in place of all that an element has. */
export function fill(parent, ...children) {
    parent.replaceChildren(...children.flat(Infinity).filter(isShown).map(asNode));
    return parent;
}

/** Say something to people who listen to the page rather than look at it. */
export function announce(message) {
    document.getElementById("announcer").textContent = message;
}

/** Tell tests and the screenshots' command that the page shows what it has to show. */
export function ready() {
    document.documentElement.dataset.ready = "true";
}

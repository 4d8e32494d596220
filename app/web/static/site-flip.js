// Moves elements to where they are now from where they were, so that one sees what has changed.

const MOVE = { duration: 650, easing: "cubic-bezier(.2, .7, .2, 1)", fill: "backwards" };

/** Change the order of things by `change`, and animate those of `elements()` that stay or come. */
export function flip(elements, change) {
    const before = new Map(elements().map((one) => [one, one.getBoundingClientRect()]));
    change();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    for (const one of elements()) {
        const old = before.get(one);
        if (!old) {
            one.animate([{ opacity: 0, transform: "scale(.92)" }, {}], MOVE);
            continue;
        }
        const now = one.getBoundingClientRect();
        const x = old.left - now.left;
        const y = old.top - now.top;
        if (x || y) one.animate([{ transform: `translate(${x}px, ${y}px)` }, {}], MOVE);
    }
}

// Requests to the API of the server that the page came from; the session's cookie says who asks.

/** What the API answered instead: its status, and its sentence about what went wrong. */
export class ApiError extends Error {
    constructor(status, detail, problem = {}) {
        super(detail);
        this.status = status;
        this.problem = problem;
    }
}

const OUT_OF_REACH = "The server cannot be reached. It may be restarting; try again in a moment.";

let whenRefused = null;

/** Have this done, instead of an error, where an answer says that nobody is signed in. */
export function onSignedOut(react) {
    whenRefused = react;
}

/** Send a request and give the JSON of the answer, or null where it has none. */
export async function ask(method, path, body) {
    let answer;
    try {
        answer = await fetch(path, {
            method,
            headers: body === undefined ? {} : { "Content-Type": "application/json" },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
    } catch {
        throw new ApiError(0, OUT_OF_REACH);
    }
    if (answer.status === 401 && whenRefused) return whenRefused();
    const text = await answer.text();
    let content = null;
    try {
        content = text ? JSON.parse(text) : null;
    } catch {
        throw new ApiError(answer.status, `The server answered ${answer.status}, and no JSON.`);
    }
    if (!answer.ok) {
        throw new ApiError(answer.status, content?.detail ?? answer.statusText, content ?? {});
    }
    return content;
}

export const get = (path) => ask("GET", path);
export const post = (path, body) => ask("POST", path, body);
export const remove = (path) => ask("DELETE", path);

/** Write a query string; blank, null and undefined values are left out, arrays are repeated. */
export function query(values) {
    const parts = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) {
        for (const one of Array.isArray(value) ? value : [value]) {
            if (one !== "" && one !== null && one !== undefined) parts.append(name, one);
        }
    }
    const text = parts.toString();
    return text ? `?${text}` : "";
}

// Talks to the sandbox's own API; a problem becomes an Error whose message says what to do.

export async function get(path) {
  return request("GET", path);
}

export async function request(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const text = await response.text();
  const parsed = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Error(parsed?.detail ?? `${response.status} ${response.statusText}`);
  return parsed;
}

// A reader that gives null while nothing has changed.
export function watcher(path) {
  let etag = null;
  return async () => {
    const response = await fetch(path, etag ? { headers: { "if-none-match": etag }, cache: "no-store" } : { cache: "no-store" });
    if (response.status === 304) return null;
    if (!response.ok) throw new Error(String(response.status));
    etag = response.headers.get("etag");
    return response.json();
  };
}

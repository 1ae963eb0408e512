// Outbound HTTP through wasi:http. Synchronous: a call waits for the answer.

import { Denied, LimitExceeded, Unavailable } from "./errors.js";
import { host, wide } from "./host.js";
import { decode, encode } from "./utf8.js";

const METHODS = new Set(["get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"]);
// wasi:io lets one write at most this much before it must be asked again.
const CHUNK = 4096;

function split(url) {
  const match = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(url);
  if (match === null) throw new TypeError(`not an http(s) URL: ${url}`);
  const [, scheme, authority, rest] = match;
  return { scheme: scheme.toLowerCase(), authority, path: rest.startsWith("/") ? rest : `/${rest}` };
}

function unwrap(result) {
  if (result !== null && typeof result === "object" && "tag" in result) {
    if (result.tag === "ok") return result.val;
    if (result.tag === "err") throw failure(result.val);
  }
  return result;
}

function failure(code) {
  const tag = code?.tag ?? String(code);
  const text = code?.val ? `${tag}: ${JSON.stringify(code.val)}` : tag;
  if (tag === "HTTP-request-denied" || tag === "destination-IP-prohibited") return new Denied(`outbound HTTP: ${text}`);
  // wasi:http has no code for the number of requests of a call.
  if (/size$|limit/i.test(tag) || String(code?.val).startsWith("http_requests")) return new LimitExceeded(`outbound HTTP: ${text}`);
  return new Unavailable(`outbound HTTP: ${text}`);
}

/** Runs a wasi call whose error is an error code of wasi:http. */
function wasi(call) {
  try {
    return call();
  } catch (error) {
    if (error?.payload === undefined) throw error;
    throw failure(error.payload);
  }
}

/** Whether a wasi call went well. */
function accepted(call) {
  try {
    call();
    return true;
  } catch (error) {
    if (error?.payload === undefined) throw error;
    return false;
  }
}

function send(url, { method = "GET", headers = {}, body, json, timeoutMs } = {}) {
  const { handler, types } = host("http", 'network = ["host"]');
  const { scheme, authority, path } = split(url);
  const fields = new types.Fields();
  const entries = headers instanceof Map || Array.isArray(headers) ? [...headers] : Object.entries(headers);
  if (json !== undefined) {
    body = JSON.stringify(json);
    if (!entries.some(([name]) => name.toLowerCase() === "content-type")) entries.push(["content-type", "application/json"]);
  }
  const bytes = typeof body === "string" ? encode(body) : body;
  // Told beforehand: not every server takes a body whose length it learns at its end.
  if (bytes !== undefined && !entries.some(([name]) => name.toLowerCase() === "content-length")) entries.push(["content-length", bytes.length]);
  for (const [name, value] of entries) wasi(() => fields.append(name.toLowerCase(), encode(String(value))));
  const request = new types.OutgoingRequest(fields);
  const verb = method.toLowerCase();
  wasi(() => request.setMethod(METHODS.has(verb) ? { tag: verb } : { tag: "other", val: method }));
  wasi(() => request.setScheme({ tag: scheme === "https" ? "HTTPS" : "HTTP" }));
  wasi(() => request.setAuthority(authority));
  wasi(() => request.setPathWithQuery(path));
  let options;
  if (timeoutMs !== undefined) {
    options = new types.RequestOptions();
    const nanoseconds = Math.round(timeoutMs * 1e6);
    options.setConnectTimeout(wide(nanoseconds));
    options.setFirstByteTimeout(wide(nanoseconds));
    options.setBetweenBytesTimeout(wide(nanoseconds));
  }
  const outgoing = bytes === undefined ? undefined : wasi(() => request.body());
  const future = wasi(() => handler.handle(request, options));
  if (outgoing !== undefined) {
    const stream = wasi(() => outgoing.write());
    // Nobody takes the body of a request that was refused or answered early: the response says which.
    const taken = accepted(() => {
      for (let at = 0; at < bytes.length; at += CHUNK) stream.blockingWriteAndFlush(bytes.subarray(at, at + CHUNK));
    });
    drop(stream);
    if (taken) accepted(() => types.OutgoingBody.finish(outgoing, undefined));
  }
  const ready = future.subscribe();
  ready.block();
  drop(ready);
  const response = unwrap(unwrap(wasi(() => future.get())));
  const status = response.status();
  const received = {};
  const list = response.headers();
  for (const [name, value] of list.entries()) {
    const text = decode(Uint8Array.from(value));
    received[name] = name in received ? `${received[name]}, ${text}` : text;
  }
  drop(list);
  const content = read(response);
  drop(response);
  drop(future);
  return {
    status,
    ok: status >= 200 && status < 300,
    headers: received,
    bytes: () => content,
    text: () => decode(content),
    json: () => JSON.parse(decode(content)),
  };
}

function read(response) {
  const body = wasi(() => response.consume());
  const stream = wasi(() => body.stream());
  const chunks = [];
  let length = 0;
  for (;;) {
    let chunk;
    try {
      chunk = Uint8Array.from(stream.blockingRead(wide(65536)));
    } catch (error) {
      if (error?.payload?.tag === "closed" || error?.payload === "closed") break;
      if (error?.payload !== undefined) throw new Unavailable("outbound HTTP: the response broke off");
      throw error;
    }
    chunks.push(chunk);
    length += chunk.length;
  }
  drop(stream);
  drop(body);
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

// Handles are freed with their owner; where an engine offers to do it at once, do.
function drop(resource) {
  const dispose = Symbol.dispose && resource?.[Symbol.dispose];
  if (typeof dispose === "function") dispose.call(resource);
}

export const http = { fetch: send };

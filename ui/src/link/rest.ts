/** The gateway's REST interface: JSON in, JSON out, a problem's own sentence on failure. */

/** What the gateway answered instead; `message` is the sentence to show. */
export class Problem extends Error {
  readonly status: number;
  /** The JSON that came with it; null where there was none. */
  readonly body: Readonly<Record<string, unknown>> | null;

  constructor(status: number, detail: string, body: Problem['body'] = null) {
    super(detail);
    this.status = status;
    this.body = body;
  }
}

/** A JSON answer with the ETag that its headers bore. */
export interface Tagged<T> {
  readonly body: T;
  readonly etag: string;
}

interface Wish {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly limitMs?: number;
}

const LIMIT_MS = 15_000;
/** What changes something is waited for longer: who is told of no answer would do it twice. */
const CHANGE_LIMIT_MS = 60_000;

let proof = '';

/** Send `csrf` with what changes something from now on: only a page that was let in knows it. */
export function prove(csrf: string): void {
  proof = csrf;
}

/** Ask `path` with query arguments; what is undefined is left out. Raises Problem. */
export async function ask<T>(
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {},
  wish: Wish = {},
): Promise<T> {
  return (await tagged<T>(path, query, wish)).body;
}

/** The same with the answer's ETag. */
export async function tagged<T>(
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {},
  wish: Wish = {},
): Promise<Tagged<T>> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const args = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  const url = given.length > 0 ? `${path}?${args}` : path;
  const answer = await reached(url, wish);
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw new Problem(answer.status, sentence(answer.status, body), body as Problem['body']);
  return { body: body as T, etag: answer.headers.get('etag') ?? '' };
}

async function reached(url: string, wish: Wish): Promise<Response> {
  const limit = AbortSignal.timeout(wish.limitMs ?? (wish.method === undefined ? LIMIT_MS : CHANGE_LIMIT_MS));
  const signal = wish.signal === undefined ? limit : AbortSignal.any([wish.signal, limit]);
  const headers: Record<string, string> = {
    ...(wish.body === undefined ? {} : JSON_BODY),
    ...(wish.method === undefined || proof === '' ? {} : { 'x-csrf-token': proof }),
    ...wish.headers,
  };
  const body = wish.body === undefined ? null : JSON.stringify(wish.body);
  try {
    return await fetch(url, { method: wish.method ?? 'GET', headers, body, signal });
  } catch (error) {
    if (wish.signal?.aborted === true) throw new Problem(0, 'Given up.');
    if (limit.aborted) throw new Problem(504, 'The gateway takes too long to answer: ask again.');
    if (error instanceof TypeError || error instanceof DOMException) {
      throw new Problem(0, 'The gateway does not answer. Is it running? Start it: tapelight run');
    }
    throw error;
  }
}

const JSON_BODY = { 'content-type': 'application/json' };

function sentence(status: number, body: unknown): string {
  const detail = (body as { detail?: unknown } | null)?.detail;
  return typeof detail === 'string' ? detail : `The gateway answered with status ${status}.`;
}

/** Return what to show of an error that `ask` raised; any other error is thrown on. */
export function told(error: unknown): string {
  if (error instanceof Problem) return error.message;
  throw error;
}

/** What a user keeps on the gateway: written only over what was read. */

import { ask, Problem } from './rest';

/** A kept document as the gateway tells it. */
export interface Doc<T> {
  readonly name: string;
  readonly version: number;
  readonly shared: boolean;
  /** False for what somebody else shares. */
  readonly mine: boolean;
  readonly body: T;
  /** What of it can't work as things are. */
  readonly warnings?: readonly string[];
}

/** How often a change is done anew on what another window has written meanwhile. */
const ATTEMPTS = 4;

export function documentPath(kind: string, name: string): string {
  return `/api/${kind}/${encodeURIComponent(name)}`;
}

/** Return one's own documents of a kind. */
export async function documentsOf<T>(kind: string): Promise<readonly Doc<T>[]> {
  return (await ask<readonly Doc<T>[]>(`/api/${kind}`)).filter((each) => each.mine);
}

/**
 * Write what `change` makes of the document as it is kept now: null where there is none.
 *
 * What somebody wrote between reading and writing is read, and the change done on it.
 */
export async function changeDocument<T>(
  kind: string,
  name: string,
  change: (body: T | null) => T,
  known: Doc<T> | null | undefined = undefined,
): Promise<Doc<T>> {
  const path = documentPath(kind, name);
  let kept = known === undefined ? await read<T>(path) : known;
  for (let attempt = 1; ; attempt += 1) {
    const body = { ...change(kept?.body ?? null), shared: kept?.shared ?? false };
    const headers: Record<string, string> = kept === null ? {} : { 'if-match': `"${kept.version}"` };
    try {
      return await ask<Doc<T>>(path, {}, { method: 'PUT', body, headers });
    } catch (error) {
      if (!(error instanceof Problem && error.status === 412) || attempt === ATTEMPTS) throw error;
      kept = await read<T>(path);
    }
  }
}

/** Return the document at `path`, or null where there is none. */
async function read<T>(path: string): Promise<Doc<T> | null> {
  try {
    return await ask<Doc<T>>(path);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

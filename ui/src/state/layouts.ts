/** Named layouts: they are kept by the gateway, for the user who is logged in. */

import { ask, Problem } from '../link/rest';
import type { Layout } from '../model/layout';
import { readLayout } from '../model/layoutfile';

export interface LayoutInfo {
  readonly owner: string;
  readonly name: string;
  readonly version: number;
  readonly shared: boolean;
  readonly changed_ns: number;
  /** False for what somebody else shares. */
  readonly mine: boolean;
}

/** A layout as it was once saved. */
export interface LayoutVersion {
  readonly version: number;
  readonly changed_ns: number;
  readonly deleted: boolean;
}

function path(name: string): string {
  return `/api/layouts/${encodeURIComponent(name)}`;
}

/** Return the user's layouts and those that others share, the newest first. */
export async function listLayouts(): Promise<readonly LayoutInfo[]> {
  const found = await ask<LayoutInfo[]>('/api/layouts');
  return found.toSorted((a, b) => b.changed_ns - a.changed_ns);
}

/** Return a layout, or a past version of it; raise LayoutFault for what can't be shown. */
export async function loadLayout(info: LayoutInfo, version?: number): Promise<Layout> {
  const owner = info.mine ? undefined : info.owner;
  return readLayout((await ask<{ body: unknown }>(path(info.name), { owner, version })).body);
}

/** Return the versions of one's own layout, the newest first. */
export async function layoutHistory(name: string): Promise<readonly LayoutVersion[]> {
  const found = await ask<LayoutVersion[]>(`${path(name)}/history`);
  return found.filter((version) => !version.deleted);
}

/**
 * Keep `layout` over version `known` of it, 0 for none; return its version.
 *
 * Raise Problem where another window has kept something else there meanwhile.
 */
export async function saveLayout(name: string, layout: Layout, shared: boolean, known: number): Promise<number> {
  const headers: Record<string, string> = known === 0 ? {} : { 'if-match': `"${known}"` };
  try {
    return (await ask<LayoutInfo>(path(name), {}, { method: 'PUT', body: { body: layout, shared }, headers })).version;
  } catch (error) {
    if (!(error instanceof Problem && error.status === 412)) throw error;
    throw new Problem(412, `“${name}” was kept anew elsewhere, after you opened it. Press Save again to replace it.`);
  }
}

export async function removeLayout(name: string): Promise<void> {
  await ask(path(name), {}, { method: 'DELETE', headers: { 'if-match': '*' } });
}

/** Where named layouts are kept. The one place that knows: this browser. */

import type { Layout } from '../model/layout';
import { keep, stored } from './preferences.svelte';

export interface LayoutInfo {
  readonly name: string;
  /** When it was saved (ms, UTC). */
  readonly saved: number;
}

/** A layout as it was once saved. */
export interface LayoutVersion {
  readonly saved: number;
  readonly layout: unknown;
}

const KEY = 'tapelight-layouts';
const VERSIONS = 20;

function all(): Record<string, LayoutVersion[]> {
  return (stored(KEY) ?? {}) as Record<string, LayoutVersion[]>;
}

/** Return the names, the newest first. */
export async function listLayouts(): Promise<readonly LayoutInfo[]> {
  return Object.entries(all())
    .map(([name, versions]) => ({ name, saved: versions[0]?.saved ?? 0 }))
    .sort((a, b) => b.saved - a.saved);
}

/** Return what was kept under `name`, the newest first. */
export async function layoutHistory(name: string): Promise<readonly LayoutVersion[]> {
  return all()[name] ?? [];
}

export async function saveLayout(name: string, layout: Layout): Promise<void> {
  const kept = all();
  const versions = [{ saved: Date.now(), layout }, ...(kept[name] ?? [])].slice(0, VERSIONS);
  keep(KEY, { ...kept, [name]: versions });
}

export async function removeLayout(name: string): Promise<void> {
  const { [name]: _, ...rest } = all();
  keep(KEY, rest);
}

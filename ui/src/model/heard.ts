/** Alerts that came while the page was away: which of them nobody has heard of yet. */

import type { Alert } from '../wire';

/** How many ids a browser remembers; the gateway shows the newest 100. */
const REMEMBERED = 300;

/** Return those of `alerts` (newest first) that are not in `heard`, oldest first; none on a first visit. */
export function unheard(alerts: readonly Alert[], heard: readonly string[] | null): readonly Alert[] {
  if (heard === null) return [];
  const known = new Set(heard);
  return alerts.filter((alert) => !known.has(alert.id)).toReversed();
}

/** Return what is heard of after `alerts`, the newest first. */
export function heardNow(alerts: readonly Alert[], heard: readonly string[] | null): readonly string[] {
  return [...new Set([...alerts.map(({ id }) => id), ...(heard ?? [])])].slice(0, REMEMBERED);
}

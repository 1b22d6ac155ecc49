/** What may be shown while the page shows the past: nothing that was not known then. */

/** Return whether nothing of `at` has come yet: values of the present (`moment` null) are no past's. */
export function isUnread(moment: number | null, at: number | null): boolean {
  return at !== null && moment === null;
}

/** Return whether what is of `moment` was known at `at` (ms); null is the present. */
export function wasKnown(moment: number | null, at: number | null): boolean {
  return at === null || (moment !== null && moment <= at);
}

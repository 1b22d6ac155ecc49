/** Let a part of a panel stand elsewhere on the page: its tools in the bar of its group. */

/** Move `node` into `target` while it lives. */
export function portal(node: HTMLElement, target: HTMLElement | undefined): { destroy(): void } {
  target?.append(node);
  return { destroy: () => node.remove() };
}

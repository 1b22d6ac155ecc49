/** Dragging a tab: to another place among tabs, to another group, or beside one. */

import type { Side } from '../model/layout';
import type { Workspace } from '../state/workspace.svelte';

/** The pointer moves so far (px) before a press becomes a drag. */
const SLACK_PX = 6;
/** Within this share of a group's edge a panel lands beside it. */
const EDGE = 0.24;

export interface Landing {
  readonly group: string;
  readonly side: Side;
  readonly index?: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export class Drag {
  /** The panel that is being dragged; empty while none is. */
  panel = $state('');
  landing = $state.raw<Landing | null>(null);
  #workspace: Workspace;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  /** Follow the pointer from a press on the tab of `panel`. */
  press(event: PointerEvent, panel: string): void {
    if (event.button !== 0) return;
    const { clientX: fromX, clientY: fromY } = event;
    const moved = (next: PointerEvent): void => {
      const far = Math.hypot(next.clientX - fromX, next.clientY - fromY) > SLACK_PX;
      if (this.panel === '' && far) this.panel = panel;
      if (this.panel !== '') this.landing = landingAt(next.clientX, next.clientY);
    };
    const ended = (): void => {
      removeEventListener('pointermove', moved);
      removeEventListener('pointerup', dropped);
      removeEventListener('pointercancel', ended);
      removeEventListener('keydown', escaped, true);
      this.panel = '';
      this.landing = null;
    };
    const dropped = (): void => {
      const { landing, panel: dragged } = this;
      ended();
      if (dragged === '' || landing === null) return;
      this.#workspace.move(dragged, landing.group, landing.side, landing.index);
    };
    const escaped = (key: KeyboardEvent): void => {
      if (key.key === 'Escape') ended();
    };
    addEventListener('pointermove', moved);
    addEventListener('pointerup', dropped);
    addEventListener('pointercancel', ended);
    addEventListener('keydown', escaped, true);
  }
}

function landingAt(x: number, y: number): Landing | null {
  const element = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-group]');
  if (element == null) return null;
  const group = element.dataset['group'] ?? '';
  const strip = element.querySelector<HTMLElement>('[role="tablist"]');
  const bar = strip?.parentElement?.getBoundingClientRect();
  if (strip !== null && bar !== undefined && y <= bar.bottom) return amongTabs(strip, group, x);
  return beside(element.getBoundingClientRect(), group, x, y);
}

function amongTabs(strip: HTMLElement, group: string, x: number): Landing {
  const boxes = [...strip.children].map((tab) => tab.getBoundingClientRect());
  const before = boxes.findIndex((box) => x < box.left + box.width / 2);
  const index = before < 0 ? boxes.length : before;
  const own = strip.getBoundingClientRect();
  const left = boxes[index]?.left ?? boxes.at(-1)?.right ?? own.left;
  return { group, side: 'centre', index, left: left - 1, top: own.top, width: 3, height: own.height };
}

function beside(box: DOMRect, group: string, x: number, y: number): Landing {
  const { left, top, width, height } = box;
  const across = (x - left) / width;
  const down = (y - top) / height;
  const nearest = Math.min(across, 1 - across, down, 1 - down);
  if (nearest > EDGE) return { group, side: 'centre', left, top, width, height };
  if (nearest === across) return { group, side: 'left', left, top, width: width / 2, height };
  if (nearest === 1 - across) {
    return { group, side: 'right', left: left + width / 2, top, width: width / 2, height };
  }
  if (nearest === down) return { group, side: 'top', left, top, width, height: height / 2 };
  return { group, side: 'bottom', left, top: top + height / 2, width, height: height / 2 };
}

/** Cells that light up when their value changes, and how many may: a page that flickers everywhere says nothing. */

const PER_SECOND = 80;
/** A light fades in steps of so long (ms). An animation would make a layer of each cell, and making and ending
 * those costs more than all else that changes in a frame; so would an element that lies over each cell. */
const STEP_MS = 150;
/** Where nothing is painted, lights go out after so long (ms). */
const LATE_MS = 500;
const STEPS = ['34%', '16%'];
const still = matchMedia('(prefers-reduced-motion: reduce)');

interface Lit {
  readonly element: HTMLElement;
  readonly color: string;
  /** When it lit up, ms. */
  readonly since: number;
  step: number;
}

let second = 0;
let used = 0;
let lit: Lit[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

/** Let `element` light up and fade at `now` (ms), while this second's allowance lasts; return whether it does. */
export function light(element: HTMLElement, rose: boolean, now: number): boolean {
  if (!mayFlash(now)) return false;
  const cell: Lit = { element, color: rose ? '--up-bg' : '--down-bg', since: now, step: 0 };
  show(cell);
  lit.push(cell);
  timer ??= setTimeout(late, LATE_MS);
  return true;
}

/** Take the lights down whose time it is at `now` (ms): by who paints a frame anyway, for each frame is dear. */
export function fade(now: number): void {
  for (const cell of lit) {
    // A cell that lit up in this very frame did so after the frame's time was read.
    const step = Math.max(0, Math.floor((now - cell.since) / STEP_MS));
    if (step === cell.step) continue;
    cell.step = step;
    show(cell);
  }
  lit = lit.filter(({ step }) => step < STEPS.length);
}

/** Take down what nobody has taken down in a frame of its own. */
function late(): void {
  fade(performance.now());
  timer = lit.length > 0 ? setTimeout(late, LATE_MS) : undefined;
}

function show({ element, color, step }: Lit): void {
  const share = STEPS[step];
  element.style.backgroundColor = share === undefined ? '' : `rgb(var(${color}) / ${share})`;
  // Red upon a green light, or upon a red one, could not be read.
  element.style.color = share === undefined ? '' : 'var(--text)';
}

/** Take one flash of this second's allowance; false when motion is unwanted. */
function mayFlash(now: number): boolean {
  if (still.matches) return false;
  const current = Math.floor(now / 1000);
  if (current !== second) {
    second = current;
    used = 0;
  }
  used += 1;
  return used <= PER_SECOND;
}

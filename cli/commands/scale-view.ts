/** What `kvcache scale` shows while it waits: a bar at a terminal, a line for every step elsewhere, JSON for programs. */
import { SingleBar } from 'cli-progress';
import { roundedBytes } from '../../settings/units.ts';
import type { ControlAnswer } from '../dev/control.ts';
import type { ScaleProgress, ScaleWait } from '../dev/scale-progress.ts';
import { styled, type Terminal } from '../terminal.ts';

export interface ScaleView extends Disposable {
  show(answer: ControlAnswer): void;
}

export function scaleView(terminal: Terminal, isJson: boolean): ScaleView {
  if (isJson) return new JsonView(terminal);
  return process.stderr.isTTY ? new BarView(terminal) : new LineView(terminal);
}

/** One JSON document a line, as they come. */
class JsonView implements ScaleView {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(answer: ControlAnswer): void {
    this.#terminal.line(JSON.stringify(answer));
  }

  [Symbol.dispose](): void {
    // Every line stands by itself.
  }
}

/** A line whenever the step changes, and at every tenth of the way. */
class LineView implements ScaleView {
  readonly #terminal: Terminal;
  #last = '';

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(answer: ControlAnswer): void {
    if (answer.kind !== 'progress') {
      const line = sentenceOf(answer);
      if (line !== undefined) this.#terminal.line(line);
      return;
    }
    const { progress } = answer;
    if (progress.phase === 'steady') return;
    const tenths = Math.floor(progress.fraction * 10);
    const step = `${progress.epoch} ${progress.phase} ${waitingOf(progress)} ${progress.phase === 'moving' ? tenths : ''}`;
    if (step === this.#last) return;
    this.#last = step;
    this.#terminal.line(`${descriptionOf(progress)}${progress.phase === 'moving' ? `, ${tenths * 10} %` : ''}`);
  }

  [Symbol.dispose](): void {
    // Every line stands by itself.
  }
}

const barSteps = 1_000;

class BarView implements ScaleView {
  readonly #terminal: Terminal;
  readonly #bar = new SingleBar({
    format: '{bar} {percentage} %  {what}',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    linewrap: false,
  });

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(answer: ControlAnswer): void {
    if (answer.kind === 'progress') {
      const { progress } = answer;
      const what = descriptionOf(progress);
      // Before anything moves the fraction says nothing.
      const value = progress.phase === 'preparing' ? 0 : Math.floor(progress.fraction * barSteps);
      if (this.#bar.isActive) this.#bar.update(value, { what });
      else this.#bar.start(barSteps, value, { what });
      return;
    }
    this.#bar.stop();
    const line = sentenceOf(answer);
    if (line !== undefined) this.#terminal.line(answer.kind === 'done' ? styled(this.#terminal, 'green', line) : line);
  }

  [Symbol.dispose](): void {
    this.#bar.stop();
  }
}

/** What goes to standard output; faults are told by the command's own error. */
function sentenceOf(answer: Exclude<ControlAnswer, { kind: 'progress' }>): string | undefined {
  if (answer.kind === 'done') return answer.shards === 1 ? '1 shard serves' : `${answer.shards} shards serve`;
  if (answer.kind !== 'accepted') return undefined;
  const { from, shards, isQueued } = answer;
  if (from === shards) return `the cluster is to have ${shardsText(shards)} already`;
  const queued = isQueued ? '; it begins when the change under way is done' : '';
  return `scaling from ${from} to ${shardsText(shards)}${queued}`;
}

export function shardsText(shards: number): string {
  return shards === 1 ? '1 shard' : `${shards} shards`;
}

function descriptionOf(progress: ScaleProgress): string {
  const { phase, slotsMoving, slotsOpen, keysLeft, bytesLeft } = progress;
  if (phase !== 'moving') return waitingOf(progress) || phase;
  const opening = slotsOpen < slotsMoving ? `${slotsOpen} of ${slotsMoving} slots open` : `${slotsMoving} slots`;
  const away = progress.waiting?.reason === 'unreported' ? `; ${waitingOf(progress)}` : '';
  return `moving ${opening}, ${keysLeft} keys (${roundedBytes(bytesLeft)}) left${away}`;
}

const waitingTexts: Readonly<Record<ScaleWait['reason'], (names: string) => string>> = {
  starting: (names) => `starting ${names}`,
  unreported: (names) => `waiting for ${names}, which cannot be reached`,
  behind: (names) => `waiting for ${names} to take the new topology`,
  leaving: (names) => `ending ${names}`,
  moving: (names) => `waiting for ${names} to get everything`,
};

function waitingOf({ waiting }: ScaleProgress): string {
  return waiting === undefined ? '' : waitingTexts[waiting.reason](waiting.names.join(', '));
}

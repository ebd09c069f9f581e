/** What several views do in the same way: ask again and again, run something and show how it went, remember input. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { readCluster, readStatistics, type Cluster } from './api.ts';
import { type Moment, momentOf, type Statistics } from './figures.ts';

const intervalMs = 2_000;
const momentsMax = 150;

export interface Live {
  readonly cluster: Cluster | undefined;
  readonly statistics: Statistics | undefined;
  readonly moments: readonly Moment[];
  readonly fault: string | undefined;
}

/** The cluster and its figures, every two seconds while the page is seen. */
export function useLive(isActive: boolean): Live {
  const [live, setLive] = useState<Live>({ cluster: undefined, statistics: undefined, moments: [], fault: undefined });
  const before = useRef<Statistics | undefined>(undefined);
  useEffect(() => {
    if (!isActive) return undefined;
    let timer = 0;
    let isOver = false;
    const look = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          const [cluster, statistics] = await Promise.all([readCluster(), readStatistics()]);
          const earlier = before.current;
          before.current = statistics;
          setLive(({ moments }) => ({
            cluster,
            statistics,
            moments: earlier ? [...moments, momentOf(earlier, statistics)].slice(-momentsMax) : moments,
            fault: undefined,
          }));
        } catch (error) {
          setLive((known) => ({ ...known, fault: (error as Error).message }));
        }
      }
      if (!isOver) timer = window.setTimeout(() => void look(), intervalMs);
    };
    void look();
    return () => {
      isOver = true;
      window.clearTimeout(timer);
    };
  }, [isActive]);
  return live;
}

export interface Outcome {
  readonly kind: 'idle' | 'busy' | 'done' | 'failed';
  readonly text: string;
}

const idle: Outcome = { kind: 'idle', text: '' };

/** Runs an action at a time; its text or its fault is the outcome. */
export function useAction(): [Outcome, (action: () => Promise<string>) => void] {
  const [outcome, setOutcome] = useState<Outcome>(idle);
  /** Of the last action: what an earlier one says later is about what is no longer shown. */
  const begun = useRef(0);
  const run = useCallback((action: () => Promise<string>) => {
    const place = ++begun.current;
    const say = (said: Outcome): void => {
      if (place === begun.current) setOutcome(said);
    };
    say({ kind: 'busy', text: '…' });
    action().then(
      (text) => say({ kind: 'done', text }),
      (error: unknown) => say({ kind: 'failed', text: (error as Error).message }),
    );
  }, []);
  return [outcome, run];
}

/** Text that is there again when the page is. */
export function useRemembered(name: string, initial: string): [string, (text: string) => void] {
  const [text, setText] = useState(() => localStorage.getItem(`kvcache-${name}`) ?? initial);
  const remember = useCallback(
    (next: string) => {
      localStorage.setItem(`kvcache-${name}`, next);
      setText(next);
    },
    [name],
  );
  return [text, remember];
}

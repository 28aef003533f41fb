/** What lies between a process and the part of a platform, for tests to injure. */
import type { HttpFaultProxy, SeenCall } from '../../support/http-fault-proxy';

/** The way of one process to the part. Each injury lasts until `restore`, or the next one. */
export interface Line {
  /** Breaks every connection and refuses new ones. */
  cut(): void;
  /** Takes calls and never answers them. Of a watch nothing comes any more. */
  silence(): void;
  /** The watch is late by so many milliseconds; answers are not. */
  lag(milliseconds: number): void;
  /** The next call that changes something takes effect, and its answer is lost with the connection. */
  loseNextAnswer(): void;
  restore(): void;
  /** Connections of the process that are open. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

/** A line over a proxy. `isOperation`: the call changes the power state of a VM. */
export function lineOver(proxy: HttpFaultProxy, isOperation: (call: SeenCall) => boolean): Line {
  return {
    cut: () => {
      proxy.decide(() => 'cut');
      proxy.cutAll();
    },
    silence: () => proxy.decide(() => 'silent'),
    lag: (lag) => proxy.decide(({ watch }) => (watch ? { lag } : undefined)),
    loseNextAnswer: () => {
      let lost = false;
      proxy.decide((call) => {
        if (lost || !isOperation(call)) return undefined;
        lost = true;
        return 'lost';
      });
    },
    restore: () => proxy.heal(),
    connections: () => proxy.connections(),
    close: () => proxy.close(),
  };
}

/** Cuts each open watch in the middle of its next line; a watch that is opened after that goes through. */
export function cutInTheMiddle(proxy: HttpFaultProxy): void {
  const open = new Set(proxy.calls().filter(({ watch }) => watch));
  proxy.decide((call) => (open.delete(call) ? 'cut' : undefined));
}

/** Ends every watch, and answers new ones with an error so many times. */
export function refuseWatches(proxy: HttpFaultProxy, answer: number, times: number): void {
  let left = times;
  proxy.decide(({ watch }) => (watch && left-- > 0 ? { answer } : undefined));
  proxy.cutAll();
}

/** A process that reaches the part directly: nothing between them can be injured. */
export function noLine(): Line {
  const none = (): never => {
    throw new Error('this process reaches the part directly');
  };
  return {
    cut: none,
    silence: none,
    lag: none,
    loseNextAnswer: none,
    connections: none,
    restore: () => undefined,
    close: () => Promise.resolve(),
  };
}

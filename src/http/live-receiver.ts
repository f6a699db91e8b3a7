/** Where a client's messages go: a socket's answer, as far as it is used here. */
export interface LiveSink {
  /** False: full; `drained` is to be called when there is room again. */
  write(message: string | Uint8Array): boolean;
  end(): void;
  destroy(): void;
}

export interface LiveClient {
  /** The sink has room again. */
  drained(): void;
  /** The other side is gone. */
  closed(): void;
}

/**
 * What the live stream does with a client. Nothing is queued: while its sink is full only the newest snapshot waits.
 */
export interface LiveReceiver extends LiveClient {
  /** The same bytes for all: a snapshot is encoded once, and held once by however many sockets are full. */
  send(snapshot: Uint8Array): void;
  sendEvents(eventsJson: string, shown: number, leftOut: number): void;
  /** @param now by performance.now() */
  destroyIfStalled(now: number, stalledMs: number): void;
  end(): void;
}

export function createLiveReceiver(sink: LiveSink, onClosed: () => void): LiveReceiver {
  let blockedSince: number | null = null;
  let newest: Uint8Array | null = null;
  let missedEvents = 0;
  let isOver = false;

  function write(message: string | Uint8Array): void {
    if (isOver) return;
    if (!sink.write(message)) blockedSince = performance.now();
  }

  return {
    send(snapshot) {
      if (blockedSince === null) write(snapshot);
      else newest = snapshot;
    },
    sendEvents(eventsJson, shown, leftOut) {
      if (blockedSince !== null) {
        missedEvents += shown + leftOut;
        return;
      }
      const left = leftOut + missedEvents;
      missedEvents = 0;
      write(message('event', `{"left_out":${left},"events":[${eventsJson}]}`));
    },
    destroyIfStalled(now, stalledMs) {
      if (blockedSince !== null && now - blockedSince > stalledMs) sink.destroy();
    },
    drained() {
      blockedSince = null;
      if (newest === null) return;
      const snapshot = newest;
      newest = null;
      write(snapshot);
    },
    closed() {
      if (isOver) return;
      isOver = true;
      onClosed();
    },
    end() {
      isOver = true;
      sink.end();
    },
  };
}

/**
 * A message of the event stream. A payload may have line breaks between its tokens; the stream's format has them by
 * lines.
 */
export function message(name: string, json: string): string {
  return `event: ${name}\ndata: ${json.replaceAll(/\r\n|\r|\n/g, '\ndata: ')}\n\n`;
}

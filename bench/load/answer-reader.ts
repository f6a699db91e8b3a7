/** Of a body only its start is kept: an id, or the counts of a receipt. */
const bodyStartBytesMax = 128;

/** @param head status line and headers */
export type OnAnswer = (status: number, bodyStart: string, head: string) => void;

/**
 * The least that reads an HTTP/1.1 answer: status, content-length, the start of the body. One answer at a time, since
 * one request is in flight; anything else is a mistake and throws.
 */
export function createAnswerReader(onAnswer: OnAnswer): (chunk: Buffer) => void {
  let head = '';
  let status = 0;
  let bodyStart = '';
  let remaining = -1;
  let answerHead = '';

  function takeBody(chunk: Buffer, from: number): void {
    const bytes = chunk.length - from;
    if (bytes > remaining) throw new Error(`an answer of ${bytes - remaining} bytes too many`);
    if (bodyStart.length < bodyStartBytesMax) {
      bodyStart += chunk.toString('latin1', from, Math.min(chunk.length, from + bodyStartBytesMax - bodyStart.length));
    }
    remaining -= bytes;
    if (remaining > 0) return;
    remaining = -1;
    const start = bodyStart;
    bodyStart = '';
    onAnswer(status, start, answerHead);
  }

  return (chunk) => {
    if (remaining >= 0) {
      takeBody(chunk, 0);
      return;
    }
    const headEnd = chunk.indexOf('\r\n\r\n');
    if (headEnd < 0 || head !== '') {
      // Rare: a head in pieces. The slow way is good enough.
      const text = head + chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      head = end < 0 ? text : '';
      if (end < 0) return;
      readHead(text.slice(0, end));
      takeBody(Buffer.from(text.slice(end + 4), 'latin1'), 0);
      return;
    }
    readHead(chunk.toString('latin1', 0, headEnd));
    takeBody(chunk, headEnd + 4);
  };

  function readHead(text: string): void {
    const length = /\r\ncontent-length: *(\d+)/i.exec(text);
    if (!text.startsWith('HTTP/1.1 ') || !length) throw new Error(`not an answer with a content-length: ${text}`);
    answerHead = text;
    status = Number(text.slice(9, 12));
    remaining = Number(length[1]);
  }
}

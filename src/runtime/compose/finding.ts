/** What `esp doctor` has to say of one thing. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem';
  readonly what: string;
  /** What to do, one way a line. */
  readonly advice?: readonly string[];
}

/** The two clocks of a machine, in milliseconds. */
export interface Clocks {
  /** Wall time since the epoch, for what is stored and shown. It may be set ahead or back at any moment. */
  readonly now: () => number;
  /** Time since some moment, which only ever grows: for durations, ages and periods. */
  readonly elapsed: () => number;
}

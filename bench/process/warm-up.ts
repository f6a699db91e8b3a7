/**
 * Of what is to be worked off, so much is before the clock starts: what happens once is no part of what is done for
 * ever.
 */
export const warmUpPart = 0.25;
/** How often it is looked whether it is done. */
export const warmUpPollMs = 20;

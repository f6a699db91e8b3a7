/** Such as "24.20 or …", for a sentence that says which Node is needed. */
export const supportedNode: string;

/** @param version as in process.versions.node */
export function isSupportedNode(version: string): boolean;

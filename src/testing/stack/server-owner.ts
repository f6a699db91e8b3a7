import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Whom a server runs as, where that is not who we are. */
export interface ServerOwner {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** PostgreSQL refuses to run as root; these two exist on every Unix, the first if one was ever installed. */
const unprivilegedNames = ['postgres', 'nobody'];

/** The user for a server that does not run as root; null where we are not root ourselves. */
export function unprivilegedOwner(): ServerOwner | null {
  if (!isRoot()) return null;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of unprivilegedNames) {
    const user = users.find((fields) => fields[0] === name);
    if (user) return { name, uid: Number(user[2]), gid: Number(user[3]) };
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user ${unprivilegedNames.join(' or ')} here`);
}

/** Throws where the other user could not even get to the directory. */
export function requireReachable(directory: string, owner: ServerOwner): void {
  for (let path = directory; ; path = dirname(path)) {
    const { mode, uid } = statSync(path);
    if ((mode & 0o001) === 0 && uid !== owner.uid) {
      throw new Error(
        `${path} is closed to the user ${owner.name}, whom PostgreSQL runs as, because it refuses to be root`,
      );
    }
    if (path === dirname(path)) return;
  }
}

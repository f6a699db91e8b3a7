import {
  array,
  bytes,
  type Codec,
  classicArray,
  classicString,
  classicStruct,
  int16,
  int32,
  int64,
  nullableString,
  string,
  struct,
  type ValueOf,
} from './codec.ts';
import { message } from './message.ts';

const versionsRead = struct({
  apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
  throttleTimeMs: int32,
});
type VersionsRead = ValueOf<typeof versionsRead> & { readonly errorCode: number };

/** A broker that does not know this version answers in the form of the first one, which begins with its error alike. */
const versionsAnswer: Codec<VersionsRead> = {
  write(writer, { errorCode, ...rest }) {
    int16.write(writer, errorCode);
    versionsRead.write(writer, rest);
  },
  read(reader) {
    const errorCode = int16.read(reader);
    return errorCode === 0
      ? { errorCode, ...versionsRead.read(reader) }
      : { errorCode, apiKeys: [], throttleTimeMs: 0 };
  },
};

/**
 * Which versions a broker speaks. Its answer has no tagged fields in its header, since who asks can't know yet what the
 * broker speaks.
 */
export const apiVersions = message('ApiVersions', [18, 3], {
  request: struct({ clientSoftwareName: string, clientSoftwareVersion: string }),
  response: versionsAnswer,
});

export const saslHandshake = {
  ...message('SaslHandshake', [17, 1], {
    request: classicStruct({ mechanism: classicString }),
    response: classicStruct({ errorCode: int16, mechanisms: classicArray(classicString) }),
  }),
  isFlexible: false,
};

export const saslAuthenticate = message('SaslAuthenticate', [36, 2], {
  request: struct({ authBytes: bytes }),
  response: struct({ errorCode: int16, errorMessage: nullableString, authBytes: bytes, sessionLifetimeMs: int64 }),
});

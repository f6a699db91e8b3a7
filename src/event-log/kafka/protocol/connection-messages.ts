import {
  array,
  bytes,
  int16,
  int32,
  int64,
  nullableString,
  plainArray,
  plainString,
  plainStruct,
  string,
  struct,
} from './codec.ts';
import { message } from './message.ts';

/** Which versions a broker speaks. Asked before anything else, except of a broker that wants to know first who asks. */
export const apiVersions = message('ApiVersions', [18, 3], {
  request: struct({ clientSoftwareName: string, clientSoftwareVersion: string }),
  response: struct({
    errorCode: int16,
    apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
    throttleTimeMs: int32,
  }),
});

export const saslHandshake = {
  ...message('SaslHandshake', [17, 1], {
    request: plainStruct({ mechanism: plainString }),
    response: plainStruct({ errorCode: int16, mechanisms: plainArray(plainString) }),
  }),
  isFlexible: false,
};

export const saslAuthenticate = message('SaslAuthenticate', [36, 2], {
  request: struct({ authBytes: bytes }),
  response: struct({ errorCode: int16, errorMessage: nullableString, authBytes: bytes, sessionLifetimeMs: int64 }),
});

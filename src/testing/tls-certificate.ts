/** For servers of tests on localhost and 127.0.0.1, valid until 2126; signed by itself, so it is its own authority. */
export const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUBE8m/sxvN9KRzbejula9+mz5KakwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTIzMTEzMVoYDzIxMjYxMTAx
MjMxMTMxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASxuW1iEJmHNQA7AwAoIH5q9cjNvV/NjOQclJNQ573vrq22WsNH9oI9
Oy/NNZfjwrXjj8xx+4/dV01eEziklztuo28wbTAdBgNVHQ4EFgQUpi4jlf+ilafn
m3mzzPINqjPYPXIwHwYDVR0jBBgwFoAUpi4jlf+ilafnm3mzzPINqjPYPXIwGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI
zj0EAwIDRwAwRAIgRQfVZcNEwjVLryM+ka1MuV15+wbMAqHhsfIaQOAuSlICIAqV
87Lu484KOdbUNJgi4hSlzdaEFVNjodZPpJwgQU/c
-----END CERTIFICATE-----
`;

/** Guards nothing. */
export const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1p33GrPgSEdFQwPS
cKZXw8bvzIE7Dnh4+f3QB9JHDwehRANCAASxuW1iEJmHNQA7AwAoIH5q9cjNvV/N
jOQclJNQ573vrq22WsNH9oI9Oy/NNZfjwrXjj8xx+4/dV01eEziklztu
-----END PRIVATE KEY-----
`;

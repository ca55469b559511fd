// libcrypto's MD5: https://docs.openssl.org/3.0/man3/MD5/
// SHA-512, for the benchmark: https://docs.openssl.org/3.0/man3/SHA256_Init/
// and HMAC, for the signatures of events: https://docs.openssl.org/3.0/man3/HMAC/
#ifndef VIDEO_INTAKE_CCRYPTO_SHIM_H
#define VIDEO_INTAKE_CCRYPTO_SHIM_H

// The successor, EVP, does not show a digest's state, which is needed to continue several at once.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#endif

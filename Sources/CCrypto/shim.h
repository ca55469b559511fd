// libcrypto's HMAC, for the signatures of events: https://docs.openssl.org/3.0/man3/HMAC/
// MD5, for tests: https://docs.openssl.org/3.0/man3/MD5/
// and SHA-512, for the benchmark: https://docs.openssl.org/3.0/man3/SHA256_Init/
#ifndef VIDEO_INTAKE_CCRYPTO_SHIM_H
#define VIDEO_INTAKE_CCRYPTO_SHIM_H

// Of the functions for MD5 and SHA-512 the short ones.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#endif

// libcrypto's EVP digests: https://docs.openssl.org/3.0/man3/EVP_DigestInit/
#ifndef VIDEO_INTAKE_CCRYPTO_SHIM_H
#define VIDEO_INTAKE_CCRYPTO_SHIM_H

#include <openssl/evp.h>

#endif

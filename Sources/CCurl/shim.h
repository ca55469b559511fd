// libcurl's easy interface: https://curl.se/libcurl/c/libcurl-easy.html
#pragma once

#include <curl/curl.h>

// curl_easy_setopt is variadic, which Swift cannot call: one function for each type that an option may have.
// https://curl.se/libcurl/c/curl_easy_setopt.html

// For options that are numbers: libcurl reads a long, where Swift would pass an int.
static inline CURLcode vi_curl_set_number(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

// For options that are text, which libcurl copies.
static inline CURLcode vi_curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

// For options that are pointers to what the caller keeps: bodies, buffers, the callbacks' contexts.
static inline CURLcode vi_curl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}

// For CURLOPT_HTTPHEADER, a list that the caller keeps: https://curl.se/libcurl/c/CURLOPT_HTTPHEADER.html
static inline CURLcode vi_curl_set_headers(CURL *handle, struct curl_slist *list) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list);
}

// For CURLOPT_WRITEFUNCTION and CURLOPT_HEADERFUNCTION: a Swift closure becomes a C function only for a parameter of
// its type. https://curl.se/libcurl/c/CURLOPT_WRITEFUNCTION.html
static inline CURLcode vi_curl_set_receiver(CURL *handle, CURLoption option, curl_write_callback function) {
    return curl_easy_setopt(handle, option, function);
}

// The same for https://curl.se/libcurl/c/CURLOPT_OPENSOCKETFUNCTION.html
static inline CURLcode vi_curl_set_open_socket(CURL *handle, curl_opensocket_callback function) {
    return curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, function);
}

// The same for https://curl.se/libcurl/c/CURLOPT_XFERINFOFUNCTION.html
static inline CURLcode vi_curl_set_progress(CURL *handle, curl_xferinfo_callback function) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, function);
}

// curl_easy_getinfo is variadic as well: for what is a long. https://curl.se/libcurl/c/curl_easy_getinfo.html
static inline long vi_curl_number(CURL *handle, CURLINFO info) {
    long value = 0;
    return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}

// The same for what is a curl_off_t.
static inline curl_off_t vi_curl_offset(CURL *handle, CURLINFO info) {
    curl_off_t value = 0;
    return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}

// Debian's libfcgi (libfcgi-dev 2.4.2-2+deb12u1). Its interface is described in the comments of <fcgiapp.h>, the
// protocol's numbers are in <fastcgi.h>.
#pragma once

#include <fastcgi.h>
#include <fcgiapp.h>

#include "fetch/http.h"

#include "cas/store.h"

#include "pull/puller.h"

#include "manifest/source.h"

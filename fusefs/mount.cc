#include "fusefs/mount.h"

// Compiled twice: as it is it must compile, with CASTOOL_CANARY it must not.
#include "base/result.h"

castool::base::Status might_fail();

void caller() {
  (void)might_fail();
#ifdef CASTOOL_CANARY
  might_fail();
#endif
}

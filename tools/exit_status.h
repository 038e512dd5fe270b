// What the process says to its caller: sysexits(3) numbers, fixed for scripts. Pure function.
#pragma once

#include "base/error.h"

namespace castool::tools {

inline constexpr int kExitSuccess = 0;

//  64 usage            65 bytes or sizes that do not match, a bad manifest
//  66 not found        69 origin unreachable, gave up or rate limited
//  73 no space, quota, store refused   74 local I/O   75 busy
//  77 not authorised  130 interrupted   1 anything else
[[nodiscard]] int exit_status(base::Code code);

}  // namespace castool::tools

// Telling a broken answer, which may come right when asked again, from one that says something
// wrong.
#pragma once

#include <string_view>

#include "base/error.h"

namespace castool::pull {

// Times that an answer which is no JSON is asked for.
inline constexpr int kJsonAttempts = 3;

// Whether `body` is no JSON text at all: a page of a proxy, or a cut answer.
[[nodiscard]] bool is_broken_json(std::string_view body);

}  // namespace castool::pull

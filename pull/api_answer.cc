#include "pull/api_answer.h"

#include <limits>

#include "manifest/json_value.h"

namespace castool::pull {

bool is_broken_json(std::string_view body) {
  // Content limits and duplicate keys are another matter: that text is whole and stays wrong.
  constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  const manifest::JsonLimits limits{kNoLimit, kNoLimit, 256};
  const auto value = manifest::parse_json(body, limits, "answer");
  return !value && value.error().message.find("not JSON") != std::string::npos;
}

}  // namespace castool::pull

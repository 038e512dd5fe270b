// The JSON that callers send, read strictly. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::api {

// Of /api/pull, /api/show and /api/delete; members that we do not use are passed over.
struct ModelBody {
  std::string model;  // "model", or "name" as older clients call it
  bool insecure = false;
  bool stream = true;
  bool verbose = false;  // /api/show: vocabularies, too
  bool details = false;  // ours: the command line wants words of errors and the outcome in full
};

// kUsage: "missing request body", or what is wrong with it. An empty model is not an error here:
// each endpoint has its own words for that.
[[nodiscard]] base::Result<ModelBody> parse_model_body(std::string_view body);

}  // namespace castool::api

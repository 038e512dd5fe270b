#include "api/request_body.h"

#include "manifest/json_value.h"

namespace castool::api {
namespace {

using base::Code;
using base::make_error;
using base::Result;

constexpr manifest::JsonLimits kLimits = {1u << 20, 10'000};

}  // namespace

Result<ModelBody> parse_model_body(std::string_view body) {
  if (body.empty()) return make_error(Code::kUsage, "missing request body");
  const auto json = manifest::parse_json(body, kLimits, "request body");
  if (!json) return make_error(Code::kUsage, json.error().message);
  if (json->object() == nullptr) {
    return make_error(Code::kUsage, "request body: not a JSON object");
  }
  const manifest::JsonFields fields(*json, "request body");
  const auto read = [&fields]() -> Result<ModelBody> {
    ModelBody parsed;
    CASTOOL_ASSIGN(parsed.model, fields.string_or("model", ""));
    if (parsed.model.empty()) {
      CASTOOL_ASSIGN(parsed.model, fields.string_or("name", ""));
    }
    CASTOOL_ASSIGN(parsed.insecure, fields.boolean_or("insecure", false));
    CASTOOL_ASSIGN(parsed.stream, fields.boolean_or("stream", true));
    CASTOOL_ASSIGN(parsed.verbose, fields.boolean_or("verbose", false));
    CASTOOL_ASSIGN(parsed.details, fields.boolean_or("details", false));
    return parsed;
  };
  auto parsed = read();
  if (!parsed) return make_error(Code::kUsage, parsed.error().message);
  return parsed;
}

}  // namespace castool::api

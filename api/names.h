// The model that a request names: from the words of Ollama's clients to a source or a ref. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "manifest/ref_record.h"
#include "manifest/source.h"

namespace castool::api {

// The registries that callers may name, as they write them ("host" or "host:port").
struct Registries {
  // Answered for by what the operator configured, so wherever they are is meant.
  std::set<std::string> defaults = {"registry.ollama.ai", "hf.co", "huggingface.co"};
  std::set<std::string> allowed;  // --allow-registry: private addresses and plain http as well
};

// What a pull may be asked for: a name without a scheme is Ollama's, with the selectors of its
// clients ("m:local" is "m", "m:cloud" the tag cloud, "m:8b:cloud" the tag 8b-cloud); "hf://…" is a
// repository of the Hub. kUsage: "invalid model name", or Ollama's words about both selectors.
[[nodiscard]] base::Result<manifest::Source> requested_source(std::string_view name);

enum class Insecure { kNo, kYes };
// kUnauthorized when the registry is not on the list, or is asked for over plain http and was not
// named by --allow-registry.
[[nodiscard]] base::Status check_registry(const Registries& registries,
                                          const manifest::Source& source, Insecure insecure);

// The refs that a request for a model that is here may mean, the likelier first.
[[nodiscard]] base::Result<std::vector<std::string>> ref_names(std::string_view name);
// A ref as the API calls it, and as it takes it back: Hub repositories with their scheme.
[[nodiscard]] std::string api_name(const manifest::RefRecord& record);

}  // namespace castool::api

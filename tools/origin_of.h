// Which endpoint a source is asked at: what shares connections.
#pragma once

#include <string>

#include "manifest/source.h"
#include "pull/puller.h"

namespace castool::tools {

[[nodiscard]] inline std::string endpoint_of(const manifest::Source& source,
                                             const pull::Origins& origins) {
  if (std::holds_alternative<manifest::HubSource>(source)) return origins.hub_endpoint;
  return std::get<manifest::OllamaSource>(source).host;
}

}  // namespace castool::tools

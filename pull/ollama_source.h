// A model of an Ollama or OCI registry as a model source.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "fetch/http_client.h"
#include "manifest/source.h"
#include "pull/model_source.h"
#include "pull/puller.h"

namespace castool::pull {

// `base` is registry_base(source). `http`, `clock` and `log` outlive the source and its address
// books.
[[nodiscard]] std::unique_ptr<ModelSource> make_ollama_source(const manifest::OllamaSource& source,
                                                              const std::string& base,
                                                              const std::string& key_path,
                                                              fetch::HttpClient& http,
                                                              base::Clock& clock, base::Log& log);

}  // namespace castool::pull

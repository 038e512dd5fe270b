// A repository of a Hugging Face Hub as a model source.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "fetch/http_client.h"
#include "manifest/manifest.h"
#include "manifest/source.h"
#include "pull/hub_client.h"
#include "pull/model_source.h"

namespace castool::pull {

// Which files of the repository are wanted.
struct FileChoice {
  std::vector<std::string> include, exclude;
};

// `http` and `clock` outlive the source and its address books.
[[nodiscard]] base::Result<std::unique_ptr<ModelSource>> make_hub_source(
    const manifest::HubSource& source, FileChoice choice, HubAccess access, fetch::HttpClient& http,
    const base::Clock& clock);

}  // namespace castool::pull

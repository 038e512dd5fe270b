// The token for the Hub, from where users of the Hub's tools keep it.
//
// Order: --token-file, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH (by default
// $HF_HOME/token, HF_HOME by default $XDG_CACHE_HOME/huggingface). Never an option value: the
// argument list is visible to everybody on the machine.
#pragma once

#include <string>

#include "base/log.h"
#include "base/result.h"
#include "tools/arguments.h"
#include "tools/settings.h"

namespace castool::tools {

// The token without the white space around it, or empty: anonymous. A --token-file that cannot be
// read or holds no token is kUsage; a missing default file is nothing to speak of. A file that
// others may read is used, with a warning. With a token in memory the process makes itself
// undumpable.
[[nodiscard]] base::Result<std::string> load_hub_token(const GlobalArguments& arguments,
                                                       const Variables& variables, base::Log& log);

// The token that callers of the API have to bring (--auth-token-file); kUsage when the file cannot
// be read or holds none.
[[nodiscard]] base::Result<std::string> load_api_token(const std::string& path, base::Log& log);

}  // namespace castool::tools

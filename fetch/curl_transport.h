// The Transport over libcurl: one thread owns a multi handle and all its connections.
//
// Connections are kept alive and reused. It never follows redirects, never decodes, speaks http and
// https only, reads no .netrc, and takes proxies from the environment as libcurl does (https_proxy,
// http_proxy, all_proxy, no_proxy). It speaks HTTP/1.1 only (docs/decisions/007): several
// connections carry more than one HTTP/2 connection does, and a stalled one can be given up by
// itself.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "fetch/http.h"

namespace castool::fetch {

// Read from the environment by tools/; empty values mean libcurl's own defaults.
struct CurlConfig {
  std::string user_agent = "castool";  // "castool/<version>"
  std::string ca_file;                 // SSL_CERT_FILE
  std::string ca_dir;                  // SSL_CERT_DIR
};

// Time-outs go through `clock.scaled`. `clock` and `log` outlive the transport; destroying it ends
// all transfers with kAborted. kIo when its thread cannot be begun.
[[nodiscard]] base::Result<std::unique_ptr<Transport>> make_curl_transport(CurlConfig config,
                                                                           base::Clock& clock,
                                                                           base::Log& log);

}  // namespace castool::fetch

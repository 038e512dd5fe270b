// What tests of the client for small requests share.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "fetch/http_client.h"
#include "tests/fetch/recording_clock.h"
#include "tests/support/scripted_transport.h"

namespace castool::fetch {

class HttpClientTest : public ::testing::Test {
 protected:
  base::Result<HttpResponse> fetch(testing::ScriptedTransport& transport, const std::string& url,
                                   const FetchOptions& options = {}, std::stop_token stop = {}) {
    HttpClient client(transport, clock_, *log_);
    HttpRequest request;
    request.url = url;
    return client.fetch(request, options, std::move(stop));
  }

  RecordingClock clock_;
  std::unique_ptr<base::Log> log_ = base::make_null_log();
};

}  // namespace castool::fetch

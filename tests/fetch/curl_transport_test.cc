#include "fetch/curl_transport.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fetch/downloader.h"
#include "tests/fetch/memory_blob.h"
#include "tests/fetch/raw_server.h"
#include "tests/fetch/recording_listener.h"

namespace castool::fetch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

class CurlTransportTest : public ::testing::Test {
 protected:
  std::shared_ptr<RecordingListener> get(const std::string& url,
                                         std::optional<base::ByteRange> range = std::nullopt) {
    auto listener = std::make_shared<RecordingListener>();
    HttpRequest request;
    request.url = url;
    request.range = range;
    request.stall_timeout = stall_;
    request.reach = reach_;
    request.peer = peer_;
    transport_->start(request, listener);
    return listener;
  }
  // The end of a transfer whose server says `text` and closes.
  TransferResult end_of(const std::string& text) {
    RawServer server([&](RawConnection& connection) {
      if (!connection.read_request().empty()) connection.send(text);
    });
    last_ = get(server.url());
    return last_->wait();
  }

  base::SystemClock clock_;
  std::unique_ptr<base::Log> log_ = base::make_null_log();
  milliseconds stall_ = seconds(20);
  Reach reach_ = Reach::kAnywhere;
  std::string peer_;
  std::unique_ptr<Transport> transport_ =
      make_curl_transport({"castool/test", "", ""}, clock_, *log_).value();
  std::shared_ptr<RecordingListener> last_;
};

TEST_F(CurlTransportTest, ConnectsToThePeerItIsTold) {
  std::string seen;
  RawServer server([&](RawConnection& connection) {
    seen = connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const std::string port = server.url().substr(server.url().rfind(':'));
  peer_ = "127.0.0.1";
  const auto listener = get("http://no-such-host.invalid" + port + "/a");
  EXPECT_EQ(listener->wait().end, TransferEnd::kComplete);
  EXPECT_EQ(listener->head().peer_address, "127.0.0.1");
  EXPECT_NE(seen.find("Host: no-such-host.invalid"), std::string::npos) << seen;
}

TEST_F(CurlTransportTest, SendsWhatItShouldAndNothingElse) {
  std::string seen;
  RawServer server([&](RawConnection& connection) {
    seen = connection.read_request();
    connection.send(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n"
        "Content-Range: bytes 10-14/100\r\n\r\nhello");
  });
  const auto listener = get(server.url("/a%20b?q=1"), base::ByteRange{10, 5});
  EXPECT_EQ(listener->wait().end, TransferEnd::kComplete);
  EXPECT_EQ(listener->body(), "hello");
  EXPECT_EQ(listener->head().status, 206);
  EXPECT_EQ(listener->head().peer_address, "127.0.0.1");
  EXPECT_EQ(listener->head().headers.get("content-range"), "bytes 10-14/100");
  EXPECT_THAT(seen, HasSubstr("GET /a%20b?q=1 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Range: bytes=10-14\r\n"));
  EXPECT_THAT(seen, HasSubstr("Accept-Encoding: identity\r\n"));
  EXPECT_THAT(seen, HasSubstr("User-Agent: castool/test\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("Authorization")));
}

TEST_F(CurlTransportTest, ReusesItsConnection) {
  RawServer server([](RawConnection& connection) {
    while (!connection.read_request().empty()) {
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  EXPECT_FALSE(get(server.url())->wait().reused_connection);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(get(server.url())->wait().reused_connection);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlTransportTest, SkipsHeadsBeforeTheHead) {
  const auto result = end_of(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(result.end, TransferEnd::kComplete);
  EXPECT_EQ(last_->heads(), 1);
  EXPECT_EQ(last_->head().status, 200);
  EXPECT_FALSE(last_->head().headers.get("Link"));
}

TEST_F(CurlTransportTest, DoesNotFollowRedirectsOrDecode) {
  EXPECT_EQ(end_of("HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Encoding: gzip\r\n"
                   "Content-Length: 3\r\n\r\nraw")
                .end,
            TransferEnd::kComplete);
  EXPECT_EQ(last_->head().status, 302);
  EXPECT_EQ(last_->body(), "raw");
}

TEST_F(CurlTransportTest, SaysHowATransferEnded) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  struct Row {
    const char* what;
    std::string text;
    TransferEnd end;
  };
  const std::vector<Row> rows = {
      {"no answer", "", TransferEnd::kReset},
      {"cut head", "HTTP/1.1 200 OK\r\nConte", TransferEnd::kReset},
      {"cut body", ok + "Content-Length: 9\r\n\r\nhalf", TransferEnd::kReset},
      {"cut chunks", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", TransferEnd::kReset},
      {"chunks", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
       TransferEnd::kComplete},
      {"closed", ok + "\r\nuntil the end", TransferEnd::kComplete},
      {"two lengths", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
       TransferEnd::kAmbiguous},
      {"same lengths", ok + "Content-Length: 2\r\ncontent-length: 2\r\n\r\nok",
       TransferEnd::kAmbiguous},
      {"listed lengths", ok + "Content-Length: 2, 2\r\n\r\nok", TransferEnd::kAmbiguous},
      {"negative length", ok + "Content-Length: -2\r\n\r\nok", TransferEnd::kAmbiguous},
      {"two ranges", ok + "Content-Range: bytes 0-1/2\r\nContent-Range: bytes 0-1/2\r\n\r\nok",
       TransferEnd::kAmbiguous},
      {"folded", ok + "Content-Length:\r\n 2\r\n\r\nok", TransferEnd::kAmbiguous},
      {"not http", "SSH-2.0-OpenSSH\r\n\r\n", TransferEnd::kProtocol},
      {"0.9", "<html>hello</html>", TransferEnd::kProtocol},
      {"header bomb", ok + "X: " + std::string(70'000, 'x') + "\r\n\r\n", TransferEnd::kProtocol},
      {"many headers",
       ok +
           [] {
             std::string lines;
             for (int i = 0; i < 3000; ++i) lines += "X-Header-Number: some value\r\n";
             return lines;
           }() +
           "\r\n",
       TransferEnd::kProtocol},
      {"proxy login", "HTTP/1.1 407 Proxy\r\nContent-Length: 0\r\n\r\n",
       TransferEnd::kProxyRefused},
  };
  for (const Row& row : rows) {
    const TransferResult result = end_of(row.text);
    EXPECT_EQ(static_cast<int>(result.end), static_cast<int>(row.end))
        << row.what << ": " << result.detail;
  }
}

TEST_F(CurlTransportTest, AResetMidBodyIsAReset) {
  RawServer server([](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    connection.reset_on_close();
  });
  EXPECT_EQ(get(server.url())->wait().end, TransferEnd::kReset);
}

TEST_F(CurlTransportTest, NoConnectionAndNoName) {
  int port = 0;
  {
    const RawServer gone([](RawConnection&) {});
    port = std::stoi(gone.url("").substr(17));
  }
  EXPECT_EQ(get("http://127.0.0.1:" + std::to_string(port) + "/")->wait().end,
            TransferEnd::kConnect);
  EXPECT_EQ(get("ftp://127.0.0.1/")->wait().end, TransferEnd::kProtocol);
  EXPECT_EQ(get("file:///etc/passwd")->wait().end, TransferEnd::kProtocol);
}

TEST_F(CurlTransportTest, TlsAgainstPlainHttpIsATlsFailure) {
  RawServer server([](RawConnection& connection) {
    connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.hang();
  });
  EXPECT_EQ(get("https" + server.url().substr(4))->wait().end, TransferEnd::kTls);
}

TEST_F(CurlTransportTest, StallsEndInTimeWhereverTheyHappen) {
  stall_ = milliseconds(200);
  for (const std::string& text :
       {std::string(), std::string("HTTP/1.1 200 OK\r\nX: "),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")}) {
    RawServer server([&](RawConnection& connection) {
      if (connection.read_request().empty()) return;
      connection.send(text);
      connection.hang();
    });
    const auto begin = clock_.now();
    EXPECT_EQ(get(server.url())->wait().end, TransferEnd::kStalled);
    EXPECT_GE(clock_.now() - begin, milliseconds(200));
    EXPECT_LT(clock_.now() - begin, seconds(5));
  }
}

TEST_F(CurlTransportTest, AHeadThatTricklesIsAStall) {
  stall_ = milliseconds(300);
  std::atomic<bool> over{false};
  RawServer server([&](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send("HTTP/1.1 200 OK\r\n");
    // Each read_request() waits for the client; here only the clock paces us.
    while (!over && connection.send("X: y\r\n")) std::this_thread::yield();
  });
  const auto end = get(server.url())->wait().end;
  over = true;
  EXPECT_TRUE(end == TransferEnd::kStalled || end == TransferEnd::kProtocol);
}

TEST_F(CurlTransportTest, CancelEndsWithinASecond) {
  RawServer server([](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    connection.hang();
  });
  const auto listener = std::make_shared<RecordingListener>();
  HttpRequest request;
  request.url = server.url();
  const TransferId id = transport_->start(request, listener);
  listener->wait_for_body();
  const auto begin = clock_.now();
  transport_->cancel(id);
  transport_->cancel(id + 1000);
  EXPECT_EQ(listener->wait().end, TransferEnd::kAborted);
  EXPECT_LT(clock_.now() - begin, seconds(1));
}

TEST_F(CurlTransportTest, APauseLosesNothingAndIsNoStall) {
  stall_ = milliseconds(200);
  RawServer server([](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + std::string(300000, 'x'));
    connection.hang();
  });
  const auto listener = std::make_shared<RecordingListener>();
  listener->pause_first();
  HttpRequest request;
  request.url = server.url();
  request.stall_timeout = stall_;
  const TransferId id = transport_->start(request, listener);
  listener->wait_for_body();
  // Another transfer on the same loop stalls and ends meanwhile: time did pass.
  RawServer silent([](RawConnection& connection) { connection.hang(); });
  EXPECT_EQ(get(silent.url())->wait().end, TransferEnd::kStalled);
  transport_->resume(id);
  EXPECT_EQ(listener->wait().end, TransferEnd::kComplete);
  EXPECT_EQ(listener->body().size(), 300000U);
}

TEST_F(CurlTransportTest, SendsNothingOutsideItsReach) {
  std::atomic<bool> asked{false};
  RawServer server([&](RawConnection& connection) {
    while (!connection.read_request().empty()) {
      asked = true;
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  reach_ = Reach::kPublicOnly;
  EXPECT_EQ(get(server.url())->wait().end, TransferEnd::kForbidden);
  EXPECT_FALSE(asked);
  // Nor over a connection that stands because somebody else may use it.
  reach_ = Reach::kAnywhere;
  EXPECT_EQ(get(server.url())->wait().end, TransferEnd::kComplete);
  reach_ = Reach::kPublicOnly;
  EXPECT_EQ(get(server.url())->wait().end, TransferEnd::kForbidden);
}

TEST_F(CurlTransportTest, DestroyingItEndsEverything) {
  RawServer server([](RawConnection& connection) { connection.hang(); });
  std::vector<std::shared_ptr<RecordingListener>> listeners;
  for (int i = 0; i < 10; ++i) listeners.push_back(get(server.url()));
  transport_.reset();
  for (const auto& listener : listeners) EXPECT_EQ(listener->wait().end, TransferEnd::kAborted);
}

// The whole of the room over real sockets: ranges, reuse, and a byte rate.
TEST_F(CurlTransportTest, CarriesADownload) {
  const std::string blob = test_bytes(3 << 20);
  RawServer server([&](RawConnection& connection) {
    for (;;) {
      const std::string request = connection.read_request();
      const std::size_t at = request.find("Range: bytes=");
      if (at == std::string::npos) return;
      const std::size_t first = std::stoul(request.substr(at + 13));
      const std::size_t last = std::stoul(request.substr(request.find('-', at) + 1));
      connection.send(
          "HTTP/1.1 206 Partial Content\r\nContent-Length: " + std::to_string(last - first + 1) +
          "\r\nContent-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
          std::to_string(blob.size()) + "\r\n\r\n" + blob.substr(first, last - first + 1));
    }
  });
  class Here final : public AddressBook {
   public:
    explicit Here(std::string url) : url_(std::move(url)) {}
    base::Result<BlobAddress> address(Need, std::stop_token) override {
      return BlobAddress{url_, {}, std::nullopt, Reach::kAnywhere};
    }

   private:
    std::string url_;
  };
  const auto sink = std::make_shared<MemoryBlob>(blob.size());
  DownloadLimits limits;
  limits.bytes_per_second = 6 << 20;
  Downloader downloader(*transport_, limits, clock_, *log_);
  const auto begin = clock_.now();
  const auto status = downloader.run({"x", sink, std::make_shared<Here>(server.url())}, {});
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_TRUE(sink->bytes() == blob);
  EXPECT_GE(clock_.now() - begin, milliseconds(475));
  EXPECT_LE(server.connections(), 4);
}

}  // namespace
}  // namespace castool::fetch

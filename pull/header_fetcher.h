// The front of a large file that its readers look at first, fetched into a sparse partial.
#pragma once

#include <stop_token>

#include "base/result.h"
#include "cas/store.h"
#include "fetch/downloader.h"
#include "manifest/file_header.h"
#include "pull/blob_fetcher.h"

namespace castool::pull {

// On disk when it returns, as whole chunks; a file without such a header costs nothing, and so does
// one that is stored. Fetches at most twice what the header takes.
[[nodiscard]] base::Status fetch_header(cas::Store& store, fetch::Downloader& downloader,
                                        const BlobRequest& request, manifest::FileFormat format,
                                        std::stop_token stop);

}  // namespace castool::pull

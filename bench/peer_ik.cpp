// The functions of ik_llama.cpp that peer_ik.py needs, without its structures: they differ between
// versions, so they are compiled against the header of the version that is measured.

#include "llama.h"

struct Peer {
    llama_model * model;
    llama_context * context;
    llama_batch batch;
};

static void quiet(ggml_log_level, const char *, void *) {}

extern "C" {

// The weights are repacked into interleaved rows, as with `-rtr`: its fastest way.
Peer * peer_open(const char * path, int n_threads, int n_ctx, int n_batch, int n_texts) {
    llama_log_set(quiet, nullptr);
    llama_backend_init();
    llama_model_params of_model = llama_model_default_params();
    of_model.n_gpu_layers = 0;
    of_model.use_mmap = false;
    of_model.repack_tensors = true;
    llama_model * model = llama_model_load_from_file(path, of_model);
    if (!model) return nullptr;
    llama_context_params of_context = llama_context_default_params();
    of_context.n_ctx = n_ctx;
    of_context.n_batch = of_context.n_ubatch = n_batch;
    of_context.n_threads = of_context.n_threads_batch = n_threads;
    of_context.n_seq_max = n_texts;
    of_context.flash_attn = true;
    llama_context * context = llama_init_from_model(model, of_context);
    if (!context) return nullptr;
    return new Peer{model, context, llama_batch_init(n_batch, 0, 1)};
}

int peer_vocabulary(Peer * peer) {
    return llama_vocab_n_tokens(llama_model_get_vocab(peer->model));
}

// Returns 0 if all went well.
int peer_decode(Peer * peer, int n, const int * tokens, const int * positions, const int * texts,
                const char * wanted) {
    llama_batch & batch = peer->batch;
    batch.n_tokens = n;
    for (int i = 0; i < n; ++i) {
        batch.token[i] = tokens[i];
        batch.pos[i] = positions[i];
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = texts[i];
        batch.logits[i] = wanted[i];
    }
    return llama_decode(peer->context, batch);
}

const float * peer_logits(Peer * peer) { return llama_get_logits(peer->context); }

void peer_forget(Peer * peer) { llama_kv_cache_clear(peer->context); }
}

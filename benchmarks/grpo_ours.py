"""Our side of grpo_vs_trl: what `leser.training.grpo.grpo_step` does, with given rewards in the place of searches."""

from __future__ import annotations

from benchmarks.grpo_case import (
    LORA_ALPHA,
    RATE,
    Case,
    Turns,
    digest,
    make_model,
    make_prompts,
    make_rewards,
    make_tokenizer,
)
from leser.errors import LeserError
from leser.grpo.advantage import group_advantages
from leser.grpo.options import GrpoOptions
from leser.grpo.update import GroupBatch, make_optimizer, policy_update
from leser.policy.generate import NoiseKey, generate
from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions
from leser.policy.policy import Policy


def our_options(case: Case) -> GrpoOptions:
    """GRPO as TRL does it by default; one group per pass, on a GPU as many as its memory holds."""
    return GrpoOptions(
        group_size=case.group,
        scale="group",
        loss="token",
        kl=0,
        clip_low=0.2,
        clip_high=0.28,
        warmup_steps=0,
        tokens_per_pass=None if case.cuda else case.prompt + case.group * case.completion,
    )


def make_policy(case: Case) -> Policy:
    """The model as LESER holds it; it ends completions with the token it does not have."""
    tokenizer = make_tokenizer(case.size)
    ends = (int(tokenizer.eos_token_id),)
    policy = Policy(make_model(case), tokenizer, case.size, "text", ends, case.prompt + case.completion)
    options = PolicyOptions(
        device=case.device,
        precision=case.precision,
        dtype="bfloat16" if case.lora and case.precision == "bf16" else "float32",
        attention="shared",
        lora_rank=case.lora,
        lora_alpha=LORA_ALPHA,
    )
    return prepare(policy, options, seed=0)


def run_ours(case: Case, turns: Turns) -> None:
    """LESER's steps, one for each turn. Raises LeserError when the policy stops sharing prompts."""
    policy, options, texts, rewards = make_policy(case), our_options(case), make_prompts(case), make_rewards(case)
    optimizer = make_optimizer(policy, options)
    parameters = sum(p.numel() for p in policy.model.parameters())
    for number in range(case.steps):
        chosen = texts[number * case.prompts : (number + 1) * case.prompts]
        keys = [[NoiseKey(1, number, str(b), g) for g in range(case.group)] for b in range(case.prompts)]
        turns.begin()
        prompts = policy.tokenizer(chosen)["input_ids"]
        before = turns.now()
        samples = generate(policy, prompts, keys, max_new_tokens=case.completion, temperature=options.temperature)
        sampled = turns.now()
        for row in samples:
            for sample in row:
                policy.decode(sample.tokens)  # a reward reads text; TRL decodes as well
        result = group_advantages(rewards, options=options)
        batch = GroupBatch(
            prompts=prompts,
            completions=[[s.tokens for s in row] for row in samples],
            sampler_logprobs=[[s.logprobs for s in row] for row in samples],
            advantages=result.advantages,
            active=result.active,
        )
        scored = turns.now()
        update = policy_update(policy, optimizer, batch, options, rate=RATE, total=case.steps, step=number)
        if not policy.shared.enabled:
            raise LeserError(f"Prompts were not shared: {policy.shared.reason}. The figures would not be LESER's.")
        turns.end(
            sampling=sampled - before,
            training=turns.now() - scored,
            prompts=digest(prompts),
            sampled=sum(len(s.tokens) for row in samples for s in row),
            trained=update.tokens,
            parameters=parameters,
        )

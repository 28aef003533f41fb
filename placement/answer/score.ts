/** What became of the rules, and how good it is. */
import type { Balance, Model, Term } from '../model';
import type { PlacementScore, RuleOutcome, RuleOutcomeType } from '../problem';

/** The final places, by entity, as each term counts them. */
export class Outcome {
  readonly #spotOf: Int32Array;
  readonly #zoneOf: Int32Array;
  /** By bond: how many entities that match it stand at a place. */
  readonly #counts: Map<number, number>[];

  /** @param spotOf by VM to be placed. */
  constructor(
    readonly model: Model,
    spotOf: Int32Array,
  ) {
    this.#spotOf = model.spotOf.slice();
    this.#zoneOf = model.zoneOf.slice();
    for (const [vm, spot] of spotOf.entries()) {
      this.#spotOf[vm] = spot;
      this.#zoneOf[vm] = model.spots[spot]!.zone;
    }
    this.#counts = model.bonds.map(({ overZones, matched }) => {
      const counts = new Map<number, number>();
      const at = overZones ? this.#zoneOf : this.#spotOf;
      for (const entity of matched)
        if (at[entity] !== -1) counts.set(at[entity]!, (counts.get(at[entity]!) ?? 0) + 1);
      return counts;
    });
  }

  /** Every rule of the VMs to be placed, and those of placed VMs that select one of them. */
  rules(): RuleOutcome[] {
    const { model } = this;
    return model.terms.flat().flatMap((term) => {
      if (term.entity >= model.size && !model.bonds[term.bond]!.matched.some((entity) => entity < model.size))
        return [];
      const { namespace, name, uid } = model.entities[term.entity]!;
      const { effect, strength, topologyKey, path } = term.term;
      const outcome = this.#outcomeOf(term);
      return [{ vm: { namespace, name, uid }, effect, strength, topologyKey, path, outcome }];
    });
  }

  score(balance: Balance): PlacementScore {
    const { model } = this;
    const preferred = { terms: 0, kept: 0, broken: 0, weight: 0 };
    for (const term of model.terms.flat()) {
      if (term.term.strength === 'Required' || !term.binds || term.isRepeated) continue;
      const outcome = this.#outcomeOf(term);
      preferred.terms += 1;
      preferred.weight += outcome === 'Broken' ? this.#shareElsewhere(term) : 1;
      if (outcome === 'Kept') preferred.kept += 1;
      if (outcome === 'Broken') preferred.broken += 1;
    }
    const { spread, load } = balance.evenness();
    return {
      total: (preferred.weight + (spread + load) / 2) / (preferred.terms + 1),
      preferred,
      spread,
      load,
    };
  }

  #outcomeOf(term: Term): RuleOutcomeType {
    const bond = this.model.bonds[term.bond]!;
    const others = bond.matched.length - Number(term.matchesItself);
    // A VM that alone matches its own required affinity satisfies it.
    if (others === 0) return bond.isAffinity && bond.isRequired && term.matchesItself ? 'Kept' : 'NoMatch';
    const near = this.#near(term);
    const spot = this.#spotOf[term.entity]!;
    const isHidden = !bond.overZones && spot !== -1 && this.model.spots[spot]!.host === undefined;
    if (near === undefined) return term.entity < this.model.size || !bond.isAffinity ? 'Kept' : 'Broken';
    if (bond.isAffinity) return near === 0 ? 'Broken' : isHidden ? 'LeftToPlatform' : 'Kept';
    return near === 0 ? 'Kept' : isHidden ? 'LeftToPlatform' : 'Broken';
  }

  /** How many other VMs that the term selects are at the same place; undefined: the place is not known. */
  #near(term: Term): number | undefined {
    const bond = this.model.bonds[term.bond]!;
    const place = (bond.overZones ? this.#zoneOf : this.#spotOf)[term.entity]!;
    if (place === -1) return undefined;
    return (this.#counts[term.bond]!.get(place) ?? 0) - Number(term.matchesItself);
  }

  #shareElsewhere(term: Term): number {
    const bond = this.model.bonds[term.bond]!;
    if (bond.isAffinity) return 0;
    const others = bond.matched.length - Number(term.matchesItself);
    return 1 - (this.#near(term) ?? 0) / others;
  }
}
